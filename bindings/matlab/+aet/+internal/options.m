function values = options(owner, known, arguments)
%OPTIONS  'Name', value pairs as a struct; unknown names are errors.
%   VALUES = AET.INTERNAL.OPTIONS(OWNER, KNOWN, ARGUMENTS) has a field for
%   each pair of the cell ARGUMENTS, spelt as in the cell KNOWN (letter case
%   of the given name does not matter). OWNER is named in messages.

values = struct();
if mod(numel(arguments), 2) ~= 0
    error('aet:unknownOption', '%s: options come in pairs ''Name'', value; got %d arguments', owner, numel(arguments));
end
for i = 1:2:numel(arguments)
    name = text(arguments{i});
    if ~ischar(name)
        error('aet:unknownOption', '%s: got an option name of class %s, wanted text', owner, class(name));
    end
    match = known(strcmpi(name, known));
    if isempty(match)
        error('aet:unknownOption', '%s: no option ''%s''; known options: %s', owner, name, strjoin(known, ', '));
    end
    values.(match{1}) = text(arguments{i + 1});
end
end

function value = text(value)
% MATLAB's string class, which Octave lacks, becomes char.
if isa(value, 'string')
    value = char(value);
end
end
