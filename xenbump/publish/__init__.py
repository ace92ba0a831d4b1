"""From an edited file to a pull request: the words, the commit and its branch, GitHub."""
