"""The warehouse: one SQL source for PostgreSQL and Redshift. A manifest is loaded in one transaction, once."""

from cloud.warehouse.loader import load, loaded, prepare
from cloud.warehouse.open import Warehouse, WarehouseError, open_warehouse

__all__ = ["Warehouse", "WarehouseError", "load", "loaded", "open_warehouse", "prepare"]
