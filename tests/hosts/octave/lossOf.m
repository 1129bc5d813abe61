function loss = lossOf(recon)
%LOSSOF  Loss at the present parameters.

loss = recon.lossAndGradient(recon.parameters);
end
