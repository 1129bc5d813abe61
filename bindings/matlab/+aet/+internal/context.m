function result = context(given)
%CONTEXT  The context GIVEN, or where it is empty the shared one.
%   The shared context is made on first use and lives until clear all.

persistent shared
if ~isempty(given)
    aet.internal.require(given, 'aet.Context', 'Context');
    result = given;
    return
end
if isempty(shared) || ~isAlive(shared)
    shared = aet.Context();
end
result = shared;
end

function alive = isAlive(context)
% The user may have deleted it.
try
    alive = context.threads > 0;
catch
    alive = false;
end
end
