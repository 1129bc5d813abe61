function check(what, holds)
%CHECK  Print one line and count.

if holds
    tally('passed');
    printf('ok    %s\n', what);
else
    tally('failed');
    printf('FAIL  %s\n', what);
end
fflush(stdout);
end
