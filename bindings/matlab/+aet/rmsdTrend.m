function table = rmsdTrend(atoms, rmsd, limit)
%RMSDTREND  How the error of position grows with the number of atoms.
%   TABLE = aet.rmsdTrend(ATOMS, RMSD) fits lines to the errors RMSD (pm) of
%   models of ATOMS atoms, through the origin and free. An aet.Table of the
%   points with the columns line and line_origin; values slope, slope_origin
%   (pm per million atoms), intercept (pm), slope_error, slope_origin_error,
%   intercept_error, residual, residual_origin (pm), atoms_at_limit and
%   atoms_at_limit_origin. A third argument is the limit in pm (default: 10).
if nargin < 3
    limit = 0;
end
table = aet.Table.fromKey(aet_mex('rmsd_trend', double(atoms), double(rmsd), limit));
end
