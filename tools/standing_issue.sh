#!/bin/sh
# Keeps one issue open while a schedule fails: tools/standing_issue.sh TITLE, with FAILED and PASSED (true or false).
#
# GitHub tells of a scheduled run that fails only who wrote the schedule, so nobody may hear of it. What is neither
# failed nor passed (a run that was called off) opens nothing and closes nothing.
set -eu
title=$1
run=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID
number=$(gh issue list --repo "$GITHUB_REPOSITORY" --state open --limit 1000 --json number,title,author \
    --jq "[.[] | select(.author.is_bot and .title == \"$title\")][0].number // empty")
if [ "$FAILED" = true ] && [ -z "$number" ]; then
    gh issue create --repo "$GITHUB_REPOSITORY" --title "$title" \
        --body "The first run that failed: $run. Each job says what to do; this is closed when a run passes."
elif [ "$PASSED" = true ] && [ -n "$number" ]; then
    gh issue close "$number" --repo "$GITHUB_REPOSITORY" --comment "A run passed: $run"
fi
