function [key, options] = takeKey(options, name, class)
%TAKEKEY  Take an object out of the struct that aet.internal.options returns.
%   KEY is that of the object of CLASS in option NAME, [] where there is none.

[object, options] = aet.internal.take(options, name, []);
key = [];
if ~isempty(object)
    aet.internal.require(object, class, name);
    key = object.key;
end
end
