"""What runs inside a dom0, against transcripts and on this machine."""
