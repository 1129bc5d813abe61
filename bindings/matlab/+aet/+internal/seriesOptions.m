function names = seriesOptions()
%SERIESOPTIONS  Names of the options of simulated series.

names = {'PixelSize', 'Rows', 'Columns', 'Vacuum', 'Simulation', 'WholeWindow', 'PhononConfigurations', ...
    'PhononSeed', 'DefocusSpread', 'DefocusNodes', 'SemiAngleSpreadMrad', 'SemiAngleNodes', 'Instrument', ...
    'MemoryCap', 'Context'};
end
