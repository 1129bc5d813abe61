function positions = truePositions()
%TRUEPOSITIONS  The five atoms of the problem [5 x 3], angstrom.

positions = [0.3 -0.2 0.5; 2.1 1.4 -1.0; -2.2 1.9 0.8; -1.7 -2.6 -0.4; 1.8 -2.3 1.2];
end
