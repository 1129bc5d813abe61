function section(title)
%SECTION  Headline of the checks that follow.

printf('# %s\n', title);
end
