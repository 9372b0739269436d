"""The local stack: PostgreSQL, MinIO, Kafka, Spark Connect and Airflow as supervised processes under one run folder."""
