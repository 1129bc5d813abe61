// Commands of aet_table.

#include "call.hpp"

namespace aet_mex {

namespace {

using Count = int64_t (*)(const aet_table *);
using Text = aet_status (*)(const aet_table *, int64_t, char *, size_t, size_t *);

/// Names or units of the columns, or of the single values, as a cell row.
template <Count count, Text text>
void texts(Call &call) {
  const auto table = call.handle<aet_table>(0);
  const int64_t n = count(table.get());
  mxArray *cells = mxCreateCellMatrix(1, static_cast<mwSize>(n));
  for (int64_t i = 0; i < n; ++i) {
    const std::string each = read_text([&](char *buffer, size_t capacity, size_t *needed) {
      return text(table.get(), i, buffer, capacity, needed);
    });
    mxSetCell(cells, static_cast<mwIndex>(i), make_text(each));
  }
  call.give(0, cells);
}

void copy_column(Call &call) {
  const auto table = call.handle<aet_table>(0);
  const std::string name = call.text(1, "name");
  const Output out = vector_output(aet_table_row_count(table.get()));
  check(aet_table_copy_column(table.get(), name.c_str(), &out.view));
  call.give(0, out.array);
}

void value(Call &call) {
  double value = 0.0;
  check(aet_table_value(call.handle<aet_table>(0).get(), call.text(1, "name").c_str(), &value));
  call.give(0, value);
}

void histogram(Call &call) {
  const auto table = call.handle<aet_table>(0);
  const std::string column = call.text(1, "column");
  const std::string by = call.text(2, "by");
  const int64_t bins = integer(call.argument(3), "bins");
  aet_table *made = nullptr;
  check(aet_table_histogram(table.get(), column.c_str(), by.empty() ? nullptr : by.c_str(), bins, &made));
  call.give_handle(made);
}

void error_profile(Call &call) {
  const auto table = call.handle<aet_table>(0);
  const std::string column = call.text(1, "column");
  aet_table *made = nullptr;
  check(aet_table_error_profile(table.get(), column.c_str(), number(call.argument(2), "width"), &made));
  call.give_handle(made);
}

void error_histogram(Call &call) {
  const auto table = call.handle<aet_table>(0);
  const std::string column = call.text(1, "column");
  const double width = number(call.argument(2), "width");
  aet_table *made = nullptr;
  check(aet_table_error_histogram(table.get(), column.c_str(), width, integer(call.argument(3), "bins"), &made));
  call.give_handle(made);
}

void rmsd_trend(Call &call) {
  const aet_const_view atoms = vector_view(call.argument(0), "atoms");
  const aet_const_view rmsd = vector_view(call.argument(1), "rmsd");
  aet_table *made = nullptr;
  check(aet_rmsd_trend(&atoms, &rmsd, number(call.argument(2), "limit"), &made));
  call.give_handle(made);
}

void confusion(Call &call) {
  aet_table *made = nullptr;
  check(aet_table_confusion(call.handle<aet_table>(0).get(), &made));
  call.give_handle(made);
}

void write(Call &call) {
  check(aet_table_write(call.handle<aet_table>(0).get(), call.text(1, "path").c_str()));
}

}  // namespace

void add_table_commands(CommandTable &table) {
  table["table_free"] = free_handle<aet_table>;
  table["table_row_count"] = number_of<aet_table, int64_t, aet_table_row_count>;
  table["table_column_names"] = texts<aet_table_column_count, aet_table_column_name>;
  table["table_column_units"] = texts<aet_table_column_count, aet_table_column_unit>;
  table["table_value_names"] = texts<aet_table_value_count, aet_table_value_name>;
  table["table_value_units"] = texts<aet_table_value_count, aet_table_value_unit>;
  table["table_copy_column"] = copy_column;
  table["table_value"] = value;
  table["table_histogram"] = histogram;
  table["table_error_profile"] = error_profile;
  table["table_error_histogram"] = error_histogram;
  table["table_confusion"] = confusion;
  table["rmsd_trend"] = rmsd_trend;
  table["table_write"] = write;
}

}  // namespace aet_mex
