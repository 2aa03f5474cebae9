"""The contracts of record tables: one YAML a table, the source of data_dictionary/."""
