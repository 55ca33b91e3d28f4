"""The device as native code: CXXRTL and a C++ compiler make it, once for each configuration."""

from .build import BuildError, library_of
from .compiler import Compiler, NoCompilerError, find_compiler

__all__ = ["BuildError", "Compiler", "NoCompilerError", "find_compiler", "library_of"]
