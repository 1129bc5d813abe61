function [crossSection, collected] = adfTransfer(energyEv, innerMrad, outerMrad, species, parametrization)
%ADFTRANSFER  What an annular detector sees of one atom.
%   [CROSSSECTION, COLLECTED] = aet.adfTransfer(ENERGYEV, INNERMRAD,
%   OUTERMRAD, SPECIES): the cross-section (angstrom^2) of the element with
%   atomic number SPECIES for the detector, and the part of all that the atom
%   scatters that the detector catches. The orbital H exp(-r^2 / B) of such an
%   atom in images of fractions of the beam has H = CROSSSECTION / (pi B).
%   A fifth argument, 'lobato' (default) or 'kirkland', names the table of
%   scattering factors.
if nargin < 5
    parametrization = 'lobato';
end
table = find(strcmp(parametrization, {'lobato', 'kirkland'})) - 1;
if isempty(table)
    error('aet:unknownOption', 'parametrization: got ''%s'', wanted ''lobato'' or ''kirkland''', parametrization);
end
seen = aet_mex('adf_transfer', energyEv, innerMrad, outerMrad, species, table);
crossSection = seen(1);
collected = seen(2);
end
