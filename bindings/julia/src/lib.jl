# Finding and loading the shared library, and the macro that declares its functions.

"ABI number of the header these bindings were written for."
const ABI_VERSION = 0

"One C function: its types, and its address once the library is loaded."
struct Declaration
    name::Symbol
    returns::Any
    arguments::Vector{Any}
    address::Base.RefValue{Ptr{Cvoid}}
end

"Every declared C function, in the order of the header."
const DECLARATIONS = Declaration[]

"""
    @declare name(argument::Type, ...)::Type

Define a Julia function that calls the C function of the same name. It only calls: conversion and
rooting of the arguments are `ccall`'s, statuses are the caller's.
"""
macro declare(prototype)
    call, returns = prototype.args
    name, arguments = call.args[1], call.args[2:end]
    names = [argument.args[1] for argument in arguments]
    types = [argument.args[2] for argument in arguments]
    address = Symbol("address_of_", name)
    return esc(quote
        const $address = Ref{Ptr{Cvoid}}(C_NULL)
        push!(DECLARATIONS, Declaration($(QuoteNode(name)), $returns, Any[$(types...)], $address))
        $name($(names...)) = ccall($address[], $returns, ($(types...),), $(names...))
    end)
end

const LIBRARY_FILE = (Sys.iswindows() ? "aet." : "libaet.") * Libdl.dlext

"The value of `library` in section `[AET]` of a preferences file, or `nothing`."
function preferred_library(file::AbstractString)
    isfile(file) || return nothing
    section = ""
    for line in eachline(file)
        header = match(r"^\s*\[\s*(.*?)\s*\]", line)
        header === nothing || (section = header.captures[1])
        entry = match(r"^\s*library\s*=\s*[\"'](.*)[\"']", line)
        section == "AET" && entry !== nothing && return String(entry.captures[1])
    end
    return nothing
end

"Where the library may be: what it was asked for by, and the path."
function library_candidates()
    candidates = Pair{String,String}[]
    haskey(ENV, "AET_LIBRARY") && return ["ENV[\"AET_LIBRARY\"]" => ENV["AET_LIBRARY"]]
    project = Base.active_project()
    if project !== nothing
        file = joinpath(dirname(project), "LocalPreferences.toml")
        path = preferred_library(file)
        path === nothing || push!(candidates, file => path)
    end
    root = normpath(joinpath(@__DIR__, "..", "..", ".."))
    push!(candidates, "the source tree" => joinpath(root, "target", "release", LIBRARY_FILE))
    return candidates
end

"Open the first candidate that can be opened; an error names them all."
function open_library()
    candidates = library_candidates()
    for (_, path) in candidates
        handle = Libdl.dlopen(path, Libdl.RTLD_LAZY | Libdl.RTLD_LOCAL; throw_error = false)
        handle === nothing || return handle
    end
    tried = join(("$path (from $origin)" for (origin, path) in candidates), ", ")
    error("AET: cannot open $LIBRARY_FILE; tried $tried. Set ENV[\"AET_LIBRARY\"] to its path.")
end

"Open the library, resolve every function, and compare ABI number and struct sizes."
function load_library()
    handle = open_library()
    for declaration in DECLARATIONS
        address = Libdl.dlsym(handle, declaration.name; throw_error = false)
        address === nothing && error("AET: the library lacks $(declaration.name); is it older than these bindings?")
        declaration.address[] = address
    end
    abi = aet_abi_version()
    abi == ABI_VERSION || error("AET: the library has ABI $abi, these bindings need $ABI_VERSION")
    foreach(check_struct_size, CSTRUCTS)
    return nothing
end

# Views are frozen; other structs carry struct_size and may have grown at their end.
function check_struct_size((name, type))
    ours, theirs = sizeof(type), Int(aet_struct_size(name))
    agrees = type === View ? ours == theirs : ours <= theirs
    agrees || error("AET: $name has $theirs bytes in the library and $ours here; rebuild one of them")
    return nothing
end

"Version of the loaded library."
function library_version()
    number = aet_version_number()
    return VersionNumber(number ÷ 10000, number ÷ 100 % 100, number % 100)
end

"Version of the loaded library as it writes it itself."
library_version_string() = unsafe_string(aet_version_string())
