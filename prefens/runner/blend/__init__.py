"""What a blend is made from, and what it leaves behind: settings, members and labels, files."""
