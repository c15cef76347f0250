"""The pages. Importing this package registers every module in it; nothing is listed by hand."""

import importlib
import pkgutil

for _found in pkgutil.iter_modules(__path__):
    if not _found.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_found.name}")
