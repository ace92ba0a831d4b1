XENBUMP_GITHUB_TOKEN=$(< "$CREDENTIALS_DIRECTORY/github-token")
export XENBUMP_GITHUB_TOKEN
for pause in 5m 15m 45m ''; do
  status=0
  /stand-in/xenbump-0.1.0/bin/xenbump run --no-progress --config /stand-in/xenbump.toml || status=$?
  # 1: what may go away by itself. The rest is for a person to decide (20, 30) or to write (2).
  if [ "$status" -ne 1 ] || [ -z "$pause" ]; then
    exit "$status"
  fi
  sleep "$pause"
done
