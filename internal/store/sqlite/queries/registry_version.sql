-- How often the collectors have changed.
SELECT version FROM registry_version
