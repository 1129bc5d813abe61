"""
An immutable table of results: named columns of numbers, one value per row, and single named values
of the whole. What is not known is `NaN`; codes are whole numbers.

    table["intensity"]              # a column, as a new vector; :intensity does as well
    keys(table)                     # names of the columns
    table.rows, table.units         # number of rows; unit of every column
    table.values, table.value_units # the single values by name, and their units
    NamedTuple(table)               # all columns, as `DataFrame` and other tables take them
    histogram(table, "intensity"; by = "class")
    write(path, table)

Columns of the unit `"index"` count from 1, and from 0 in files. Throws `AET_ERROR_UNKNOWN_OPTION`,
with the names there are, for a column that does not exist.
"""
mutable struct Table <: Handle
    pointer::Ptr{Cvoid}
    Table(pointer::Ptr{Cvoid}) = finalizer(close, new(pointer))
end

free(::Table, pointer) = aet_table_free(pointer)

table_texts(table, count, text) =
    [copied_string((buffer, n, needed) -> text(table, i, buffer, n, needed)) for i in 0:(count(live(table)) - 1)]

Base.keys(table::Table) = table_texts(table, aet_table_column_count, aet_table_column_name)
Base.haskey(table::Table, name) = string(name) in keys(table)
Base.propertynames(::Table) = (:rows, :units, :values, :value_units)

function Base.getindex(table::Table, name::Union{AbstractString,Symbol})
    out = zeros(Float64, table.rows)
    check(aet_table_copy_column(table, string(name), output_view(out)))
    return table.units[string(name)] == "index" ? out .+ 1 : out
end

function Base.getproperty(table::Table, name::Symbol)
    name === :rows && return Int(aet_table_row_count(live(table)))
    if name === :units
        return Dict(zip(keys(table), table_texts(table, aet_table_column_count, aet_table_column_unit)))
    end
    name in (:values, :value_units) || throw(unknown_option(name, propertynames(table)))
    names = table_texts(table, aet_table_value_count, aet_table_value_name)
    name === :values && return Dict(each => single_value(table, each) for each in names)
    return Dict(zip(names, table_texts(table, aet_table_value_count, aet_table_value_unit)))
end

function single_value(table, name)
    value = Ref(0.0)
    check(aet_table_value(table, name, value))
    return value[]
end

Base.NamedTuple(table::Table) = (; (Symbol(name) => table[name] for name in keys(table))...)

Base.show(io::IO, table::Table) = isopen(table) ?
    print(io, "Table (", table.rows, " rows: ", join(keys(table), ", "), ")") : print(io, "Table (closed)")

"""
    histogram(table, column; by = nothing, bins = 0)

Count the values of a column in equal bins, as a [`Table`](@ref) with the columns `lower`, `upper` and
`count`; with `by`, another column, also `count_c` for every value c of it. `bins = 0`: automatic.
"""
histogram(table::Table, column; by = nothing, bins::Integer = 0) =
    Table(created(out -> aet_table_histogram(live(table), string(column), optional_text(by), bins, out)))

"""
    write(path, table)

Write a table as text: the single values as comments, names and units of the columns, then one line
per row, columns between commas; numbers read back to the last bit.
"""
function Base.write(path::AbstractString, table::Table)
    check(aet_table_write(live(table), path))
    return nothing
end
