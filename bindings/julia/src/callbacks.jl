# Progress and log. C calls a top-level function and hands it a reference to the user's. Nothing
# may be thrown through C, so exceptions are kept, the call is cancelled, and they are thrown
# again once it has returned.

"""
What a progress function is shown: `phase` (`:reading`, `:planning`, `:evaluating`, `:optimizing`,
`:saving` or `:simulating`), `iteration` of `max_iterations`, number of `evaluations` so far, `fraction` of the
call that is done, `loss`, `gradient_norm`, `r_factor`, and `seconds` since the call began. Of a simulated
series `tilt` of `tilts` and `configuration` of `configurations`, counted from 1, and finished ones of
all `probes` as `probe`; 0 in other calls. `step` is another name of `iteration`.
"""
struct Progress
    phase::Symbol
    iteration::Int
    max_iterations::Int
    evaluations::Int
    fraction::Float64
    loss::Float64
    gradient_norm::Float64
    r_factor::Float64
    seconds::Float64
    tilt::Int
    tilts::Int
    configuration::Int
    configurations::Int
    probe::Int
    probes::Int
end

function Progress(p::CProgress)
    first = p.tilts > 0 ? 1 : 0
    return Progress(symbol_of(PHASES, p.phase), p.iteration, p.max_iterations, p.evaluations, p.fraction,
        p.loss, p.gradient_norm, p.r_factor, p.seconds, p.tilt + first, p.tilts, p.configuration + first,
        p.configurations, p.probe, p.probes)
end

Base.getproperty(p::Progress, name::Symbol) = getfield(p, name === :step ? :iteration : name)
Base.propertynames(::Progress) = (fieldnames(Progress)..., :step)

mutable struct ProgressCall
    f::Any
    exception::Any
end

"Whether a progress function's answer means to go on."
goes_on(answer::Bool) = answer
goes_on(::Nothing) = true
goes_on(answer) =
    throw(ArgumentError("the progress function returned $(repr(answer)), wanted true to go on or false to cancel"))

function progress_trampoline(user, progress::Ptr{CProgress})::Int32
    call = user::ProgressCall
    try
        has_log_exception() && return Int32(1)
        call.f === nothing && return Int32(0)
        return goes_on(call.f(Progress(unsafe_load(progress)))) ? Int32(0) : Int32(1)
    catch exception
        call.exception = exception
        return Int32(1)
    end
end

"""
    with_progress(call, f)

Status of `call(report, user)`, a C function and its user data, which pass progress on to `f` (or to
nobody); throws what `f` threw.
"""
function with_progress(call, f)
    state = ProgressCall(f, nothing)
    trampoline = @cfunction(progress_trampoline, Int32, (Ref{Any}, Ptr{CProgress}))
    status = call(trampoline, Ref{Any}(state))
    state.exception === nothing || throw(state.exception)
    rethrow_term_exception()
    return outcome_of(status)
end

# ---- log ----

# The library keeps the address of this reference, so it has to be global.
const LOG_FUNCTION = Ref{Any}(nothing)

# Log lines arrive inside a library call on the task that made it, which also rethrows.
const LOG_EXCEPTION = :aet_log_exception

has_log_exception() = haskey(task_local_storage(), LOG_EXCEPTION)

function rethrow_log_exception()
    has_log_exception() && throw(pop!(task_local_storage(), LOG_EXCEPTION))
    return nothing
end

function log_trampoline(user, level::Int32, message::Cstring)::Cvoid
    try
        user === nothing || user(symbol_of(LOG_LEVELS, level), unsafe_string(message))
    catch exception
        task_local_storage(LOG_EXCEPTION, exception)
    end
    return nothing
end

"""
    set_log!(f, level = :warning)
    set_log!(nothing)

Hand messages of the library up to `level` (`:error`, `:warning`, `:info` or `:debug`) to
`f(level::Symbol, message::String)`, or to nobody; it is silent by default. `f` is called inside
the library call that reports; what it throws ends that call and is thrown again by it.
"""
function set_log!(f, level::Symbol = :warning)
    number = enumerated(LOG_LEVELS, :level, level)
    LOG_FUNCTION[] = f
    trampoline = @cfunction(log_trampoline, Cvoid, (Ref{Any}, Int32, Cstring))
    check(aet_log_set(number, trampoline, LOG_FUNCTION))
    return nothing
end

function set_log!(::Nothing)
    check(aet_log_set(number_of(LOG_LEVELS, :off), C_NULL, LOG_FUNCTION))
    LOG_FUNCTION[] = nothing
    return nothing
end
