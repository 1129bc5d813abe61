function counts = tally(outcome)
%TALLY  Counts of the checks so far, [passed failed].
%   TALLY('reset'), TALLY('passed') and TALLY('failed') change them first.

persistent kept
switch outcome
    case 'reset', kept = [0 0];
    case 'passed', kept = kept + [1 0];
    case 'failed', kept = kept + [0 1];
end
counts = kept;
end
