"""Which interface of Databricks we speak. It has no dated versions."""

VERSION = "2.0"
STATEMENTS = f"/api/{VERSION}/sql/statements"
WAREHOUSES = f"/api/{VERSION}/sql/warehouses"
CATALOG = "/api/2.1/unity-catalog"
