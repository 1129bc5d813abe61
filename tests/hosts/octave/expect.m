function expect(what, wanted, mention, call)
%EXPECT  CALL throws one of the identifiers WANTED with a text that has MENTION.
%   An empty WANTED means that it throws nothing. Prints one line and counts.

id = '';
message = '';
try
    call();
catch failure
    id = failure.identifier;
    message = failure.message;
end
if isempty(wanted)
    holds = isempty(id) && isempty(message);
else
    mentioned = isempty(mention) || ~isempty(strfind(message, mention));
    holds = any(strcmp(id, wanted)) && ~isempty(message) && mentioned;
end
if ~isempty(message)
    what = sprintf('%s: %s "%s"', what, id, message);
end
if ~holds && ~isempty(wanted)
    what = sprintf('%s, wanted %s mentioning "%s"', what, strjoin(cellstr(wanted), ' or '), mention);
end
check(what, holds);
end
