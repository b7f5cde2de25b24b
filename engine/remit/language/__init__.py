"""The schema language: text in, plan out.

`compile_schema(text)` is the entry: source → tokens → syntax tree → checked plan, with warnings. `format_schema(text)`
prints canonical text. Everything else in here is a step of those two."""

from remit.language.compiler import Compiled, compile_kept, compile_schema, format_schema

__all__ = ["Compiled", "compile_kept", "compile_schema", "format_schema"]
