classdef Table < aet.internal.Object
    %AET.TABLE  A table of results; it does not change once made.
    %   Named columns of numbers, one value per row, and single named values of
    %   the whole. What is not known is NaN; codes are whole numbers. Columns of
    %   the unit 'index' count from 1, and from 0 in files.
    %
    %   Properties: rows; columns, units [1 x n cell]; values, valueUnits
    %     (structs with the single values and their units)
    %   Methods: column, histogram, write, toStruct, toTable (MATLAB);
    %     errorProfile, errorHistogram, confusion (of aet.Atoms.accuracy)
    %
    %   Example
    %     report = found.accuracy(truth);
    %     histogram = report.histogram('error', 'By', 'state');
    %     bar(histogram.column('lower'), histogram.column('count'))
    %     report.values.tracing_error
    %
    %   See also aet.Atoms, aet.Volume

    properties (Dependent)
        rows            % number of rows
        columns         % names of the columns
        units           % their units, '' for counts, codes and ratios
        values          % struct of the single values
        valueUnits      % struct of their units
    end

    properties (Constant, Hidden)
        freeCommand = 'table_free';
    end

    methods
        function value = column(this, name)
            %COLUMN  One column [rows x 1], by name.
            value = aet_mex('table_copy_column', this.key, char(name));
            unit = this.units(strcmp(this.columns, char(name)));
            if strcmp(unit, 'index')
                value = value + 1;
            end
        end

        function counts = histogram(this, column, varargin)
            %HISTOGRAM  Count the values of a column in equal bins.
            %   COUNTS = table.histogram(COLUMN, 'Name', value, ...) is an
            %   aet.Table with the columns lower, upper and count.
            %     By    another column: also count_c for every value c of it
            %     Bins  their number (default: automatic)
            options = aet.internal.options('histogram', {'By', 'Bins'}, varargin);
            by = char(aet.internal.take(options, 'By', ''));
            bins = aet.internal.take(options, 'Bins', 0);
            counts = aet.Table.fromKey(aet_mex('table_histogram', this.key, char(column), by, bins));
        end

        function profile = errorProfile(this, column, width)
            %ERRORPROFILE  Errors against a column, of aet.Atoms.accuracy.
            %   PROFILE = table.errorProfile('depth', 4) is an aet.Table of bins
            %   of WIDTH (the papers take 4 angstrom) with the columns lower,
            %   upper; true_count, matched, missing, extra, wrong_species; in pm
            %   rmsd, rmsd_x, rmsd_y, rmsd_z, quartile_1, median, quartile_3,
            %   largest, mean, smallest, whisker_low, whisker_high; and the
            %   number of outliers beyond the whiskers. Another column is
            %   'surface_distance'; WIDTH is 4 where it is left out.
            if nargin < 3
                width = 4;
            end
            profile = aet.Table.fromKey(aet_mex('table_error_profile', this.key, char(column), width));
        end

        function counts = errorHistogram(this, column, width, varargin)
            %ERRORHISTOGRAM  Histograms of errors, of aet.Atoms.accuracy.
            %   COUNTS = table.errorHistogram('depth', 4, 'Bins', N) is an
            %   aet.Table of N bins of the errors (default: automatic) with the
            %   columns lower, upper (pm), count, and count_l for the atoms
            %   whose depth is in the bin of WIDTH that begins at l.
            if nargin < 3
                width = 4;
            end
            bins = aet.internal.take(aet.internal.options('errorHistogram', {'Bins'}, varargin), 'Bins', 0);
            key = aet_mex('table_error_histogram', this.key, char(column), width, bins);
            counts = aet.Table.fromKey(key);
        end

        function matrix = confusion(this)
            %CONFUSION  Confusion matrix, of aet.Atoms.accuracy.
            %   A row per true species, then one of extra atoms; a column per
            %   found species, called by its symbol, missing, and the rate that
            %   was found with its species.
            matrix = aet.Table.fromKey(aet_mex('table_confusion', this.key));
        end

        function write(this, file)
            %WRITE  Write text: one line per row, columns between commas.
            %   Single values stand before them as comments. Numbers read back
            %   to the last bit.
            aet_mex('table_write', this.key, char(file));
        end

        function values = toStruct(this)
            %TOSTRUCT  Struct with a field [rows x 1] per column.
            %   Names that are no identifiers are changed to some.
            values = struct();
            names = this.columns;
            for i = 1:numel(names)
                values.(matlab.lang.makeValidName(names{i})) = this.column(names{i});
            end
        end

        function values = toTable(this)
            %TOTABLE  A table of MATLAB, with units; Octave has none.
            values = struct2table(this.toStruct());
            values.Properties.VariableUnits = this.units;
        end

        function value = get.rows(this)
            value = aet_mex('table_row_count', this.key);
        end

        function value = get.columns(this)
            value = aet_mex('table_column_names', this.key);
        end

        function value = get.units(this)
            value = aet_mex('table_column_units', this.key);
        end

        function value = get.values(this)
            value = struct();
            names = aet_mex('table_value_names', this.key);
            for i = 1:numel(names)
                value.(matlab.lang.makeValidName(names{i})) = aet_mex('table_value', this.key, names{i});
            end
        end

        function value = get.valueUnits(this)
            value = struct();
            names = aet_mex('table_value_names', this.key);
            units = aet_mex('table_value_units', this.key);
            for i = 1:numel(names)
                value.(matlab.lang.makeValidName(names{i})) = units{i};
            end
        end
    end

    methods (Static, Hidden)
        function table = fromKey(key)
            % Wraps a table that the gateway has just made.
            table = aet.Table();
            table.key = key;
        end
    end
end
