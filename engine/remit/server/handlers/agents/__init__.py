"""The service Agents: a file for each noun's verbs."""
