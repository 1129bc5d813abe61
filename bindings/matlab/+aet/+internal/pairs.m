function [values, options] = pairs(options, name, known)
%PAIRS  Options within an option: a cell {'Name', value, ...}, as a struct.
%   Takes option NAME out of the struct that aet.internal.options returns.

[given, options] = aet.internal.take(options, name, {});
if ~iscell(given)
    error('aet:unknownOption', '%s: got class %s, wanted a cell {''Name'', value, ...}', name, class(given));
end
values = aet.internal.options(name, known, given);
end
