"""The requests of the service `Agents`: a file for each noun's verbs."""
