function require(object, type, argument)
%REQUIRE  Error aet:argumentType unless OBJECT is of the class TYPE.

if ~isa(object, type)
    error('aet:argumentType', '%s: got class %s, wanted %s', argument, class(object), type);
end
end
