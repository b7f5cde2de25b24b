"""What the commands print: tables, trees, JSON, JUnit."""
