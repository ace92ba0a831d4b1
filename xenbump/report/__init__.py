"""What was found and done, as text for people and JSON for programs. Pure: values in, text out."""
