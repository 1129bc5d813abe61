# One line per check, a count at the end, and an exit status for whoever runs the script.

const COUNTS = (passed = Ref(0), failed = Ref(0))

"Print and count a check; `seen` is shown where it failed."
function check(name, passed::Bool, seen = nothing)
    println(passed ? "ok    " : "FAIL  ", name, passed ? "" : ": $seen")
    passed ? (COUNTS.passed[] += 1) : (COUNTS.failed[] += 1)
    return nothing
end

"Name of a status in the C interface."
status_name(fault::Symbol) = fault === :cancelled ? "AET_CANCELLED" : string("AET_ERROR_", uppercase(string(fault)))

"Check that `f()` throws an `AETError` of this name whose message is not empty and has all of `words`."
function check_fault(f, name, fault::Symbol, words...)
    wanted = status_name(fault)
    seen = try
        f()
        "no error"
    catch exception
        exception
    end
    good = seen isa AETError && seen.name == wanted && !isempty(seen.message) &&
           all(word -> occursin(word, seen.message), words)
    check(string(name, good ? string(" -> ", seen.name, ": ", seen.message) : ""), good, seen)
end

"Check that `f()` throws an exception that `test` accepts."
function check_throws(f, name, test)
    seen = try
        f()
        "no error"
    catch exception
        exception
    end
    check(name, seen isa Exception && test(seen), seen)
end

"Print the counts and end with status 1 where a check failed."
function finish()
    println(COUNTS.passed[], " passed, ", COUNTS.failed[], " failed")
    exit(COUNTS.failed[] == 0 ? 0 : 1)
end
