# Errors of linear models by lm() with dummies and sandwich: Rscript linear_models.R <data> <out>
# Reads linear_rows.csv and three_effects.csv from <data>; writes linear_expected.csv and
# linear_joint_expected.csv to <out>.
suppressMessages(library(sandwich))
folder <- commandArgs(TRUE)
options(digits = 17)
rows <- read.csv(file.path(folder[1], "linear_rows.csv"))
chain <- read.csv(file.path(folder[1], "three_effects.csv"))
estimates <- list()
tests <- list()

keep <- function(model, choice, m, v, df, shown) {
  b <- coef(m)[shown]
  s <- sqrt(diag(v)[shown])
  t <- qt(0.975, df)
  estimates[[length(estimates) + 1]] <<- data.frame(
    model = model, choice = choice, term = shown, estimate = b, std_error = s, df = df,
    conf_low = b - t * s, conf_high = b + t * s, p_value = 2 * pt(-abs(b / s), df))
  f <- drop(b %*% solve(v[shown, shown]) %*% b) / length(shown)
  tests[[length(tests) + 1]] <<- data.frame(
    model = model, choice = choice, terms = paste(shown, collapse = " "), statistic = f,
    p_value = pf(f, length(shown), df, lower.tail = FALSE), df_num = length(shown), df_denom = df)
}

# `free` are the dummies that cost degrees of freedom under the rule "nonnested"
all_choices <- function(model, m, shown, cluster, second, k_free) {
  n <- nobs(m)
  keep(model, "classical", m, vcov(m), m$df.residual, shown)
  keep(model, "HC0", m, vcovHC(m, type = "HC0"), m$df.residual, shown)
  keep(model, "HC1", m, vcovHC(m, type = "HC1"), m$df.residual, shown)
  g <- length(unique(cluster))
  bare <- vcovCL(m, cluster = cluster, type = "HC0", cadjust = FALSE)
  keep(model, "cluster none", m, bare, g - 1, shown)
  v <- vcovCL(m, cluster = cluster, type = "HC0", cadjust = TRUE)
  keep(model, "cluster clusters", m, v, g - 1, shown)
  keep(model, "cluster nonnested", m, v * (n - 1) / (n - k_free), g - 1, shown)
  v <- vcovCL(m, cluster = cluster, type = "HC1", cadjust = TRUE)
  keep(model, "cluster full", m, v, g - 1, shown)
  if (is.null(second)) return(invisible())
  low <- min(g, length(unique(second)))
  v <- vcovCL(m, cluster = data.frame(cluster, second), type = "HC0", cadjust = FALSE,
              multi0 = FALSE)
  keep(model, "two-way none", m, v, low - 1, shown)
  keep(model, "two-way clusters", m, v * low / (low - 1), low - 1, shown)
  keep(model, "two-way full", m, v * low / (low - 1) * (n - 1) / (n - m$rank), low - 1, shown)
}

rank_of <- function(formula, data) qr(model.matrix(formula, data))$rank

for (weighted in c("", " weighted")) {
  rows$weight <- if (weighted == "") 1 else rows$w
  m <- lm(y ~ x + z + kind, rows, weights = weight)
  all_choices(paste0("plain", weighted), m, names(coef(m)), rows$region, rows$year, m$rank)

  # units are nested in regions, years are not: the rule "nonnested" counts the years only
  m <- lm(y ~ x + z + kind + factor(unit) + factor(year), rows, weights = weight)
  shown <- c("x", "z", "kindtown", "kindurban")
  k <- length(shown) + rank_of(~ factor(year), rows)
  all_choices(paste0("unit and year", weighted), m, shown, rows$region, rows$year, k)

  # nothing is nested in the clusters by year, bar the years themselves
  k <- length(shown) + rank_of(~ factor(unit), rows)
  all_choices(paste0("unit and year by year", weighted), m, shown, rows$year, NULL, k)

  # every effect is nested in the clusters: the constant alone is counted
  m <- lm(y ~ x + z + factor(unit), rows, weights = weight)
  all_choices(paste0("unit", weighted), m, c("x", "z"), rows$region, NULL, 3)

  chain$weight <- if (weighted == "") 1 else chain$w
  m <- lm(y ~ x + z + factor(leader) + factor(school) + factor(year), chain, weights = weight)
  k <- 2 + rank_of(~ factor(leader) + factor(year), chain)
  all_choices(paste0("leader school and year", weighted), m, c("x", "z"), chain$school, NULL, k)
  m <- lm(y ~ x + z + factor(leader) + factor(school), chain, weights = weight)
  k <- 2 + rank_of(~ factor(leader), chain)
  all_choices(paste0("leader and school", weighted), m, c("x", "z"), chain$school, NULL, k)
}

store <- function(parts, name) {
  table <- do.call(rbind, parts)
  numbers <- sapply(table, is.numeric)
  table[numbers] <- lapply(table[numbers], function(v) sprintf("%.15g", v))
  write.csv(table, file.path(folder[2], name), row.names = FALSE, quote = FALSE)
}
store(estimates, "linear_expected.csv")
store(tests, "linear_joint_expected.csv")
