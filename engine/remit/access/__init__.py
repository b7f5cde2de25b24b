"""Who calls: keys, the file they are kept in, and the rights they hold."""
