"""Writes aet/_declarations.py, the C interface as plain Python data, from include/aet.h.

    python3 bindings/python/generate.py            write it anew
    python3 bindings/python/generate.py --check    fail where the committed file is another

Only the standard library is used.
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
HEADER = HERE.parents[1] / "include" / "aet.h"
DECLARATIONS = HERE / "aet" / "_declarations.py"

DOC = r"(?:/\*\*((?:(?!\*/).)*)\*/\s*)?"
COMMENT = re.compile(r"/\*(?!\*).*?\*/", re.S)
ENUM = re.compile(r"\benum \{(.*?)\};\s*typedef int32_t (\w+);", re.S)
ENUMERATOR = re.compile(DOC + r"AET_(\w+) = (-?\d+),", re.S)
STRUCT = re.compile(r"\btypedef struct (\w+) \{(.*?)\n\} \w+;", re.S)
FIELD = re.compile(DOC + r"([^;/]+?)(\w+)(\[\d+\])?;", re.S)
OPAQUE = re.compile(r"\btypedef struct (\w+) \w+;")
CALLBACK = re.compile(r"\btypedef (\w+) \(\*(\w+)\)\(([^)]*)\);")
FUNCTION = re.compile(r"^((?:const )?\w+ \*?)(aet_\w+)\(([^()]*)\);", re.M)
INLINE = re.compile(r"^static inline .*?^\}", re.M | re.S)


def one_line(text):
    """A comment, or a C type, with single spaces; the type as `const aet_view *`."""
    words = re.sub(r"^\s*\*", "", text or "", flags=re.M).split()
    return re.sub(r" ?(\*+)$", r" \1", " ".join(words))


def arguments_of(text):
    """(name, type) of each argument; the last word of an argument is its name."""
    if text.strip() == "void":
        return []
    pairs = [re.fullmatch(r"(.*?)(\w+)", argument.strip(), re.S).groups() for argument in text.split(",")]
    return [(name, c_type(declared)) for declared, name in pairs]


def c_type(text):
    return re.sub(r" ?(\*+)$", r" \1", " ".join(text.split()))


def enumerators_of(name, body):
    """{"rigid": 1} of AET_LOT_MODEL_RIGID in aet_lot_model; a status keeps all but AET_."""
    prefix = "" if name == "aet_status" else name[len("aet_") :].upper() + "_"
    return {word[len(prefix) :].lower(): int(number) for _, word, number in ENUMERATOR.findall(body)}


def fields_of(body):
    """(name, type, documentation) of each member; an array's type is `double[3]`."""
    return [(name, c_type(declared) + extent, one_line(doc)) for doc, declared, name, extent in FIELD.findall(body)]


def parsed(header):
    """The tables of the module, by name."""
    number = re.search(r"#define AET_ABI_VERSION (\d+)", header).group(1)
    code = INLINE.sub("", re.sub(r"^#.*$", "", header, flags=re.M))
    bare = re.sub(r"/\*.*?\*/", "", code, flags=re.S)
    code = COMMENT.sub("", code)
    return {
        "ABI_VERSION": int(number),
        "ENUMS": {name: enumerators_of(name, body) for body, name in ENUM.findall(code)},
        "STRUCTS": {name: fields_of(body) for name, body in STRUCT.findall(code)},
        "HANDLES": OPAQUE.findall(bare),
        "CALLBACKS": {name: (returns, arguments_of(text)) for returns, name, text in CALLBACK.findall(bare)},
        "FUNCTIONS": {name: (c_type(returns), arguments_of(text)) for returns, name, text in FUNCTION.findall(bare)},
    }


COMMENTS = {
    "ABI_VERSION": "Binary interface that these tables describe.",
    "ENUMS": "Enumeration: value by its name here.",
    "STRUCTS": "Structure: (member, C type, documentation).",
    "HANDLES": "Structures of which only the library knows the content.",
    "CALLBACKS": "Function type: what it returns, and (argument, C type).",
    "FUNCTIONS": "Function: what it returns, and (argument, C type).",
}

TITLE = '''"""The C interface as data. Written by bindings/python/generate.py from include/aet.h: do not edit."""
'''


def written(tables):
    """The text of the module: one line per enumerator, member and function, so that differences read well."""
    parts = [TITLE]
    for name, table in tables.items():
        parts.append(f"\n# {COMMENTS[name]}\n{name} = ")
        parts.append(literal(table, nested=name in ("ENUMS", "STRUCTS")) + "\n")
    return "".join(parts)


def literal(value, nested=False, indent="    "):
    if isinstance(value, dict):
        inner = [
            f"{quoted(key)}: {literal(item, False, indent * 2) if nested else quoted(item)}"
            for key, item in value.items()
        ]
        brackets = "{}"
    elif isinstance(value, list):
        inner, brackets = [quoted(item) for item in value], "[]"
    else:
        return quoted(value)
    lines = "".join(f"{indent}{line},\n" for line in inner)
    return f"{brackets[0]}\n{lines}{indent[4:]}{brackets[1]}"


def quoted(value):
    """As repr, with the double quotes of this code base."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, (tuple, list)):
        inner = ", ".join(quoted(item) for item in value)
        ends = "()" if isinstance(value, tuple) else "[]"
        return ends[0] + inner + ends[1]
    return repr(value)


def checked(tables, header):
    """The tables, if nothing of the header was passed over: its words and theirs are counted against each other."""
    functions = set(re.findall(r"\b(aet_\w+)\(", re.sub(r"/\*.*?\*/", "", INLINE.sub("", header), flags=re.S)))
    missed = functions - set(tables["FUNCTIONS"])
    types = set(re.findall(r"^\} (\w+);|^typedef int32_t (\w+);", header, re.M))
    missed |= {a or b for a, b in types} - set(tables["ENUMS"]) - set(tables["STRUCTS"])
    if missed:
        sys.exit(f"{HEADER}: not understood: {', '.join(sorted(missed))}")
    return tables


def main():
    header = HEADER.read_text(encoding="utf-8")
    text = written(checked(parsed(header), header))
    if sys.argv[1:] == ["--check"]:
        committed = DECLARATIONS.read_text(encoding="utf-8") if DECLARATIONS.exists() else ""
        if committed != text:
            sys.exit(f"{DECLARATIONS} is not what include/aet.h makes: run python3 bindings/python/generate.py")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        temporary = DECLARATIONS.with_suffix(".new")
        temporary.write_bytes(text.encode("utf-8"))
        temporary.replace(DECLARATIONS)


if __name__ == "__main__":
    main()
