function done = callSink(sink, level, text)
%CALLSINK  Call a log function; its errors become warnings.
%   A message must not take away the result of the call that it comes from.

try
    sink(level, text);
catch failure
    warning('aet:log', 'error in the log function: %s', failure.message);
end
done = true;
end
