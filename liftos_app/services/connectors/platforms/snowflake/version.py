"""Which interface of Snowflake we speak. The SQL API has no dated versions."""

VERSION = "v2"
STATEMENTS = f"/api/{VERSION}/statements"
