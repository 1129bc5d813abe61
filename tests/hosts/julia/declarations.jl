# Compares what the Julia package declares with the header: every function with its types, every
# enumeration value, no more and no less. Every exported name has to be documented.
#
#   julia --project=bindings/julia tests/hosts/julia/declarations.jl [include/aet.h]

using AET

include("checks.jl")

const SCALARS = Dict("void" => Cvoid, "aet_status" => Int32, "int32_t" => Int32, "int64_t" => Int64,
    "uint32_t" => UInt32, "uint64_t" => UInt64, "size_t" => Csize_t, "double" => Float64,
    "aet_progress_fn" => Ptr{Cvoid}, "aet_log_fn" => Ptr{Cvoid})
const STRUCTS = Dict(AET.CSTRUCTS)

"Julia type of a C type without `const` and `struct`."
function julia_type(c::AbstractString)
    haskey(SCALARS, c) && return SCALARS[c]
    c == "char*" && return Union{Cstring,Ptr{UInt8}}
    c == "void*" && return Ref{Any}
    base = replace(c, "*" => "")
    haskey(SCALARS, base) && return Ptr{SCALARS[base]}
    haskey(STRUCTS, base) && return Ptr{STRUCTS[base]}
    return endswith(c, "**") ? Ptr{Ptr{Cvoid}} : Ptr{Cvoid}
end

bare(c) = replace(replace(c, r"\b(const|struct)\b" => ""), r"\s+" => "")

"C types of an argument list; the last word of each argument is its name."
function argument_types(list)
    strip(list) in ("", "void") && return String[]
    return [bare(replace(argument, r"\w+\s*$" => "")) for argument in split(list, ",")]
end

"Text of the header without comments and preprocessor lines."
function declarations_of(path)
    text = replace(read(path, String), r"/\*.*?\*/"s => "")
    text = replace(text, r"//[^\n]*" => "")
    text = replace(text, r"^\s*#.*$"m => "")
    return replace(text, r"static inline[^{;]*(\{.*?\n\}|;)"s => "")
end

function functions_of(text)
    pattern = r"((?:const\s+)?(?:struct\s+)?\w+[\s*]+)(aet_\w+)\s*\(([^()]*)\)\s*;"
    return Dict(m[2] => (bare(m[1]), argument_types(m[3])) for m in eachmatch(pattern, text))
end

enumerators_of(text) = Dict(m[1] => parse(Int, m[2]) for m in eachmatch(r"\b(AET_[A-Z0-9_]+)\s*=\s*(\d+)", text))

agrees(ours, theirs) = theirs isa Union ? ours in (Cstring, Ptr{UInt8}) : ours === theirs

function check_functions(text)
    functions = functions_of(text)
    check("the header has functions", length(functions) > 50)
    declared = Dict(string(d.name) => d for d in AET.DECLARATIONS)
    undeclared, unknown = setdiff(keys(functions), keys(declared)), setdiff(keys(declared), keys(functions))
    check("every function is declared", isempty(undeclared), undeclared)
    check("every declaration has a function", isempty(unknown), unknown)
    for name in sort(collect(intersect(keys(functions), keys(declared))))
        check(name, same_types(declared[name], functions[name]...), functions[name])
    end
end

function same_types(declaration, returns, arguments)
    types = map(julia_type, arguments)
    return agrees(declaration.returns, julia_type(returns)) && length(types) == length(declaration.arguments) &&
           all(agrees.(declaration.arguments, types))
end

"Every declared function is called somewhere besides its declaration."
function check_calls()
    folder = joinpath(dirname(pathof(AET)))
    files = filter(f -> endswith(f, ".jl") && f != "functions.jl", readdir(folder))
    code = join(read(joinpath(folder, file), String) for file in files)
    uncalled = [d.name for d in AET.DECLARATIONS if !occursin(Regex("\\b$(d.name)\\b"), code)]
    check("every declared function is called", isempty(uncalled), uncalled)
end

function check_documentation()
    documented = Docs.meta(AET)
    bare = [name for name in names(AET) if !haskey(documented, Docs.Binding(AET, name))]
    check("every exported name is documented", isempty(bare), bare)
end

function check_enumerations(text)
    theirs = enumerators_of(text)
    name_of(e, name) = string(e.prefix, "_", uppercase(string(name)))
    ours = Dict(name_of(e, name) => Int(number) for e in AET.ENUMERATIONS for (name, number) in e.values)
    for name in sort(collect(union(keys(theirs), keys(ours))))
        got, wanted = get(ours, name, missing), get(theirs, name, missing)
        got === wanted || check(name, false, (got, wanted))
    end
    check("enumerations", length(ours) > 0)
end

function check_abi(header)
    found = match(r"#define\s+AET_ABI_VERSION\s+(\d+)", header)
    found === nothing || check("ABI number", parse(Int, found[1]) == AET.ABI_VERSION, found[1])
end

const HEADER = isempty(ARGS) ? joinpath(@__DIR__, "..", "..", "..", "include", "aet.h") : ARGS[1]
const TEXT = declarations_of(HEADER)
check_functions(TEXT)
check_calls()
check_documentation()
check_enumerations(TEXT)
check_abi(read(HEADER, String))
finish()
