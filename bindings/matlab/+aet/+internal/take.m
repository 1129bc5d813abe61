function [value, options] = take(options, name, default)
%TAKE  Take one option out of the struct that aet.internal.options returns.

value = default;
if isfield(options, name)
    value = options.(name);
    options = rmfield(options, name);
end
end
