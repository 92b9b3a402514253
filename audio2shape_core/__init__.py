"""audio2shape: imagine the 3D shape of what is heard.

Importing this package costs nothing: every heavy library is imported by the module that uses it.
"""

__version__ = "0.1.0"
