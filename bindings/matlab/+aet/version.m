function [text, number, abi] = version()
%AET.VERSION  Version of the library.
%   [TEXT, NUMBER, ABI] = AET.VERSION(): '1.2.3', 10203 and the ABI number.

[text, number, abi] = aet_mex('version');
end
