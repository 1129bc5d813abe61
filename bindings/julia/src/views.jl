# Julia arrays as views: the library sees logical axes, strides say where the elements lie, so
# that no array is copied for its order.

const Images = (3, 1, 2)       # images[row, column, image] is [image, row, column] to the library
const Matrices = (3, 1, 2)     # rotations[i, j, image] is [image, i, j]
const SameOrder = (1, 2, 3, 4)

const ELEMENT_TYPES = (Float32 => :f32, Float64 => :f64, ComplexF32 => :c64, ComplexF64 => :c128,
    UInt8 => :u8, Bool => :u8, UInt16 => :u16, UInt32 => :u32, Int16 => :i16, Int32 => :i32)

"Number of an element type among the library's, `nothing` where it has none."
function dtype_of(T::Type)
    i = findfirst(p -> first(p) === T, ELEMENT_TYPES)
    return i === nothing ? nothing : number_of(DTYPES, last(ELEMENT_TYPES[i]))
end

"Element type of a number of the library."
function element_type(dtype::Integer)
    i = findfirst(p -> last(p) === symbol_of(DTYPES, dtype), ELEMENT_TYPES)
    return i === nothing ? Any : first(ELEMENT_TYPES[i])
end

# The first field is what C reads; the second keeps the memory alive as long as the view.
mutable struct ArrayView
    view::View
    array::AbstractArray
end

Base.cconvert(::Type{Ptr{View}}, view::ArrayView) = view
Base.unsafe_convert(::Type{Ptr{View}}, view::ArrayView) = Ptr{View}(pointer_from_objref(view))

const Strided{T,N} = Union{StridedArray{T,N},PermutedDimsArray{T,N,P,Q,<:StridedArray{T,N}} where {P,Q}}

padded(values) = ntuple(i -> i <= length(values) ? Int64(values[i]) : Int64(0), 8)

"View of a strided array without a copy; `order` lists its axes in the library's order."
function strided_view(array::Strided, order)
    axes = filter(<=(ndims(array)), collect(order))
    view = View(pointer(array), dtype_of(eltype(array)), ndims(array), 0, 0,
                padded([size(array, axis) for axis in axes]), padded([stride(array, axis) for axis in axes]))
    return ArrayView(view, array)
end

is_viewable(array::AbstractArray) = array isa Strided && dtype_of(eltype(array)) !== nothing

"View of an input: without a copy where it is strided and of a known type, else of a copy."
function input_view(array::AbstractArray, order = SameOrder)
    is_viewable(array) && return strided_view(array, order)
    T = dtype_of(eltype(array)) === nothing ? Float64 : eltype(array)
    return strided_view(Array{T}(array), order)
end

input_view(::Nothing, order = SameOrder) = C_NULL

# A transpose is its parent with the axes exchanged.
const Transposed = Union{Adjoint{<:Real,<:StridedMatrix},Transpose{<:Real,<:StridedMatrix}}
input_view(array::Transposed, order = SameOrder) =
    input_view(PermutedDimsArray(parent(array), (2, 1)), order)

"View of an array that the library fills."
function output_view(array::AbstractArray, order = SameOrder)
    is_viewable(array) && return strided_view(array, order)
    wanted = join((first(p) for p in ELEMENT_TYPES), ", ")
    throw(AETError(:dtype, "got a $(typeof(array)) to fill, wanted a strided array of one of $wanted"))
end

"A vector as a contiguous one of doubles: itself where it is one."
contiguous(x::DenseVector{Float64}) = x
contiguous(x::Base.FastContiguousSubArray{Float64,1,<:DenseArray}) = x
contiguous(x::AbstractVector) = Vector{Float64}(x)

is_contiguous(x::AbstractVector) = contiguous(x) === x

"Indices from 1 as the library's from 0."
function from_one(what::AbstractString, indices, T::Type)
    bad = findfirst(i -> !(1 <= i <= typemax(T)), indices)
    bad === nothing ||
        throw(AETError(:range, "got $(indices[bad]) at position $bad of $what, wanted an index counted from 1"))
    return T[i - 1 for i in indices]
end
