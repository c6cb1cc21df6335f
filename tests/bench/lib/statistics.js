/** @param {number[]} values @param {number} share From 0, the least, to 1. */
function quantile(values, share) {
  const order = [...values].sort((a, b) => a - b);
  const at = (order.length - 1) * share;
  const low = Math.floor(at);
  return order[low] + (order[Math.ceil(at)] - order[low]) * (at - low);
}

export const median = (values) => quantile(values, 0.5);

/** @param {number[]} values */
export const summary = (values) => ({
  median: median(values),
  least: quantile(values, 0),
  tenth: quantile(values, 0.1),
  ninetieth: quantile(values, 0.9),
  most: quantile(values, 1),
  count: values.length,
  values,
});
