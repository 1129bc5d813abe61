function file = build_aet(libraryFolder, includeFolder, outputFolder)
%BUILD_AET  Build the gateway aet_mex, in MATLAB or Octave.
%   BUILD_AET() links libaet from ../../target/release with the header in
%   ../../include and puts aet_mex beside the package folder +aet.
%   BUILD_AET(LIBRARYFOLDER, INCLUDEFOLDER) takes them from elsewhere. The
%   library folder is written into the file (rpath): no LD_LIBRARY_PATH.
%   BUILD_AET(..., OUTPUTFOLDER) puts aet_mex elsewhere; that folder must be on
%   the path, too. FILE is the file built. Afterwards: addpath this folder.

here = fileparts(mfilename('fullpath'));
root = fileparts(fileparts(here));
if nargin < 1 || isempty(libraryFolder)
    libraryFolder = fullfile(root, 'target', 'release');
end
if nargin < 2 || isempty(includeFolder)
    includeFolder = fullfile(root, 'include');
end
if nargin < 3 || isempty(outputFolder)
    outputFolder = here;
end

listed = dir(fullfile(here, 'src', '*.cpp'));
sources = cellfun(@(name) fullfile(here, 'src', name), {listed.name}, 'UniformOutput', false);
file = fullfile(outputFolder, ['aet_mex.' mexext()]);
options = {['-I' includeFolder], ['-L' libraryFolder], '-laet'};
if exist('OCTAVE_VERSION', 'builtin')
    % -R2018a must reach the compile and the link step: one call does both.
    % mkoctfile quotes paths for its shell, except that of the output, whose extension it adds.
    [output, status] = mkoctfile('--mex', '-R2018a', '-O2', '-std=c++17', options{:}, rpath(libraryFolder), ...
        '-o', ['\"' fullfile(outputFolder, 'aet_mex') '\"'], sources{:});
    if status ~= 0
        error('aet:build', 'mkoctfile failed:\n%s', output);
    end
elseif ispc()
    mex('-R2018a', 'COMPFLAGS=$COMPFLAGS /std:c++17', options{:}, '-output', file, sources{:});
else
    mex('-R2018a', 'CXXFLAGS=$CXXFLAGS -std=c++17', ['LDFLAGS=$LDFLAGS ' rpath(libraryFolder)], ...
        options{:}, '-output', file, sources{:});
end
end

function flag = rpath(folder)
flag = ['-Wl,-rpath,' folder];
end
