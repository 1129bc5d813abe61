# Statuses become exceptions here, and handles their owners.

"""
    AETError(code, name, message)

Failure of a library call. `code` is the status number, `name` its name in the C interface (for
instance `"AET_ERROR_SHAPE"`), `message` says what was got and what was wanted.
"""
struct AETError <: Exception
    code::Int
    name::String
    message::String
end

# Faults found on this side of the boundary carry the same codes.
AETError(fault::Symbol, message::AbstractString) =
    AETError(number_of(FAULTS, fault), string("AET_ERROR_", uppercase(string(fault))), message)

Base.showerror(io::IO, e::AETError) = print(io, "AETError: ", e.message, " [", e.name, " ", e.code, "]")

"Text of the last failing call on this thread."
last_error_message() = unsafe_string(aet_last_error_message())

# A copy, because a finalizer may call the library between two looks at the buffer.
function copied_error_message()
    buffer = zeros(UInt8, aet_last_error_copy(C_NULL, 0))
    aet_last_error_copy(buffer, length(buffer))
    return text_of(buffer)
end

"The text of a NUL-terminated buffer."
function text_of(bytes)
    stop = something(findfirst(iszero, bytes), length(bytes) + 1)
    return String(UInt8[bytes[i] for i in 1:(stop - 1)])
end

status_error(status::Int32) =
    AETError(status, unsafe_string(aet_status_name(status)), copied_error_message())

"Throw what a log function threw or the fault that the library reports; otherwise return the outcome."
function outcome_of(status::Int32)
    rethrow_log_exception()
    status >= 100 && throw(status_error(status))
    return status
end

"""
Throw unless the call did what it is for. One that was cancelled has nothing to hand back, so `what` was
cancelled is an `AETError`, too; `outcome_of` is for those calls that end in several good ways.
"""
function check(status::Int32, what::AbstractString = "the call")
    outcome_of(status) == 0 && return nothing
    throw(AETError(status, unsafe_string(aet_status_name(status)), "$what was cancelled before it was done"))
end

"The string that `f(buffer, capacity, needed)` copies, asked for its size first."
function copied_string(f)
    needed = Ref{Csize_t}(0)
    check(f(C_NULL, 0, needed))
    buffer = zeros(UInt8, needed[])
    check(f(buffer, length(buffer), needed))
    return text_of(buffer)
end

# ---- handles ----

"An object of the library: freed once, by `close` or by the garbage collector."
abstract type Handle end

Base.cconvert(::Type{Ptr{Cvoid}}, handle::Handle) = handle
Base.unsafe_convert(::Type{Ptr{Cvoid}}, handle::Handle) = getfield(handle, :pointer)

"""
    close(object)

Free an object of the library now instead of leaving it to the garbage collector. Objects may be
closed in any order, more than once, and while a call works on them; using one afterwards throws
`AET_ERROR_STALE_HANDLE`.
"""
function Base.close(handle::Handle)
    pointer = getfield(handle, :pointer)
    pointer == C_NULL && return nothing
    setfield!(handle, :pointer, C_NULL)
    free(handle, pointer)
    return nothing
end

Base.isopen(handle::Handle) = getfield(handle, :pointer) != C_NULL

"The object itself, if it is open."
function live(handle::Handle)
    isopen(handle) && return handle
    throw(AETError(:stale_handle, "got a closed $(nameof(typeof(handle))), wanted an open one"))
end

"The pointer that `create(out)` writes, once its status is checked."
function created(create)
    out = Ref{Ptr{Cvoid}}(C_NULL)
    check(create(out))
    return out[]
end
