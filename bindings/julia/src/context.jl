"""
    Context(; threads = 0, simd = :automatic)

The threads that compute. `threads = 0` takes `ENV["AET_NUM_THREADS"]`, then the number of cores.
`simd` is `:automatic`, `:portable`, `:avx2` or `:avx512`. Results do not depend on the number of
threads; for one `simd` path they are equal to the last bit.

Functions that need a context take it as the keyword `context` and use [`default_context`](@ref)
otherwise. Throws `AET_ERROR_RANGE` for a negative number of threads and `AET_ERROR_UNSUPPORTED`
for a path that this processor lacks.
"""
mutable struct Context <: Handle
    pointer::Ptr{Cvoid}

    function Context(; keywords...)
        options = set_options!(defaults(ContextOptions, aet_context_options_init), keywords)
        return finalizer(close, new(created(out -> aet_context_create(options, out))))
    end
end

free(::Context, pointer) = aet_context_free(pointer)

function Base.show(io::IO, context::Context)
    isopen(context) || return print(io, "Context (closed)")
    print(io, "Context(threads = ", thread_count(context), ", simd = ", repr(instruction_set(context)), ")")
end

const DEFAULT_CONTEXT = Ref{Union{Nothing,Context}}(nothing)
const DEFAULT_CONTEXT_LOCK = ReentrantLock()

"""
    default_context()

The context used where none is given, made on first use with the library's defaults.
"""
function default_context()
    lock(DEFAULT_CONTEXT_LOCK) do
        context = DEFAULT_CONTEXT[]
        context !== nothing && isopen(context) && return context
        return DEFAULT_CONTEXT[] = Context()
    end
end

"""
    thread_count(context)

Number of threads that compute.
"""
thread_count(context::Context) = Int(aet_context_threads(live(context)))

"""
    instruction_set(context)

Instruction-set path in use: `:portable`, `:avx2` or `:avx512`.
"""
instruction_set(context::Context) = symbol_of(SIMDS, aet_context_simd(live(context)))

"""
    request_cancel(context = default_context())

End the long calls in progress on this context within a second: [`run!`](@ref) and [`step!`](@ref)
return `:cancelled` and keep the best state, others throw an [`AETError`](@ref) named
`AET_CANCELLED`. May be called from any thread.
"""
request_cancel(context::Context = default_context()) = aet_context_request_cancel(live(context))
