# The stacked event study by loops over unit-years, lm() with dummies and sandwich:
#   Rscript event_study.R <data> <out>
# Reads event_study_rows.csv from <data>; writes event_study_expected.csv,
# event_study_joint_expected.csv and event_study_support_expected.csv to <out>.
#
# Windows, isolation and stayers are found here, from who led each unit in each year; nothing comes
# from the package that is tested. Small-sample rules, with G clusters, n rows, k coefficients:
#   none       vcovCL(type = "HC0", cadjust = FALSE)
#   clusters   times G / (G - 1)
#   nonnested  times (n - 1) / (n - K), K = k + the dummies of effects not nested in a cluster
#   full       times (n - 1) / (n - K), K = rank of lm()
# Two ways: vcovCL(multi0 = FALSE, cadjust = FALSE), and the smaller G.
suppressMessages(library(sandwich))
folder <- commandArgs(TRUE)
options(digits = 17, stringsAsFactors = FALSE)
rows <- read.csv(file.path(folder[1], "event_study_rows.csv"))
PRE <- 3
POST <- 2
EARLY <- c(-3, -2)
LAGS <- 2

years <- min(rows$year):max(rows$year)
units <- sort(unique(rows$unit))
grid <- function(column) {
  m <- matrix(NA, length(units), length(years), dimnames = list(units, years))
  m[cbind(rows$unit, as.character(rows$year))] <- rows[[column]]
  m
}
leader <- grid("leader")
y <- grid("y")
region <- setNames(rows$region[match(units, rows$unit)], units)

# "none", "dated", or "undated": another leader than the last one seen, some years before
change_at <- function(u, t) {
  if (t == 1 || is.na(leader[u, t])) return("none")
  seen <- which(!is.na(leader[u, seq_len(t - 1)]))
  if (length(seen) == 0) return("none")
  last <- seen[length(seen)]
  if (leader[u, last] == leader[u, t]) return("none")
  if (last == t - 1) "dated" else "undated"
}
change <- matrix("none", length(units), length(years), dimnames = dimnames(leader))
for (u in units) for (t in seq_along(years)) change[u, t] <- change_at(u, t)

window_ok <- function(u, t) {
  w <- (t - PRE):(t + POST)
  if (min(w) < 1 || max(w) > length(years)) return(FALSE)
  all(!is.na(leader[u, w])) && all(!is.na(y[u, w]))
}
n_changes <- function(u, t) sum(change[u, (t - PRE):(t + POST)] != "none")

stack_of <- function(t, isolate) {
  treated <- stayers <- character(0)
  for (u in units) {
    if (!window_ok(u, t)) next
    n <- n_changes(u, t)
    if (n == 0) stayers <- c(stayers, u)
    if (change[u, t] == "dated" && (!isolate || n == 1)) treated <- c(treated, u)
  }
  if (length(treated) == 0 || length(stayers) == 0) return(NULL)
  parts <- lapply(c(treated, stayers), function(u) data.frame(
    stack = years[t], unit = u, region = region[[u]], k = -PRE:POST,
    year = years[(t - PRE):(t + POST)], treated = as.numeric(u %in% treated),
    y = y[u, (t - PRE):(t + POST)],
    lag1 = y[u, t - 1], lag2 = y[u, t - 2],
    w = if (u %in% treated) 1 else length(treated) / length(stayers)))
  do.call(rbind, parts)
}

estimates <- list()
joints <- list()
supports <- list()

keep <- function(label, choice, L, m, v, df) {
  b <- drop(L %*% coef(m)[colnames(L)])
  v <- L %*% v[colnames(L), colnames(L)] %*% t(L)
  estimates[[length(estimates) + 1]] <<- data.frame(
    label, choice = choice, event_time = as.integer(rownames(L)), estimate = b,
    std_error = sqrt(diag(v)), df = df, row.names = NULL)
  leads <- which(as.integer(rownames(L)) < 0)
  if (length(leads) == 0 || label$base == "early") return(invisible())
  f <- drop(b[leads] %*% solve(v[leads, leads]) %*% b[leads]) / length(leads)
  joints[[length(joints) + 1]] <<- data.frame(
    label, choice = choice, statistic = f, df_num = length(leads), df_denom = df,
    p_value = pf(f, length(leads), df, lower.tail = FALSE))
}

ways <- function(d) list(unit = d$unit, region = d$region, `two-way` = d[, c("unit", "year")])
bare_vcov <- function(m, d) {
  lapply(ways(d), function(by) {
    vcovCL(m, cluster = by, type = "HC0", cadjust = FALSE, multi0 = FALSE)
  })
}

# `free` are the dummies that no cluster of units (or regions) contains; with years as the second
# way none is left, and one is counted for the constant
variances <- function(label, m, L, k, d, free, bare) {
  n <- nobs(m)
  for (way in names(bare)) {
    g <- min(sapply(as.list(data.frame(ways(d)[[way]])), function(by) length(unique(by))))
    counted <- c(nonnested = k + (if (way == "two-way") 1 else free), full = m$rank)
    keep(label, paste(way, "none"), L, m, bare[[way]], g - 1)
    keep(label, paste(way, "clusters"), L, m, bare[[way]] * g / (g - 1), g - 1)
    for (rule in names(counted)) {
      factor <- g / (g - 1) * (n - 1) / (n - counted[[rule]])
      keep(label, paste(way, rule), L, m, bare[[way]] * factor, g - 1)
    }
  }
}

D <- function(t) sub("-", "m", paste0("D", t))

rows_of <- function(times, combine) {
  L <- t(sapply(times, combine))
  rownames(L) <- times
  L
}

for (isolate in c(TRUE, FALSE)) {
  d <- do.call(rbind, lapply(seq_along(years), stack_of, isolate = isolate))
  once <- d[d$k == 0, ]
  supports[[length(supports) + 1]] <- data.frame(
    isolate = isolate, aggregate(cbind(n_events = treated, n_stayers = 1 - treated) ~ stack,
                                 once, sum))
  d$su <- interaction(d$stack, d$unit, drop = TRUE)
  d$sy <- interaction(d$stack, d$year, drop = TRUE)
  for (t in -PRE:POST) d[[D(t)]] <- d$treated * (d$k == t)
  for (weighting in c("events", "ols")) {
    d$weight <- if (weighting == "events") d$w else 1
    # base t-1, and from it the early base
    times <- setdiff(-PRE:POST, -1)
    m <- lm(reformulate(c(D(times), "su", "sy"), "y"), d, weights = weight)
    unit_vector <- function(t) as.numeric(times == t)
    L <- rows_of(times, unit_vector)
    colnames(L) <- D(times)
    free <- nlevels(d$sy)
    label <- data.frame(base = "t-1", weighting = weighting, isolate = isolate)
    bare <- bare_vcov(m, d)
    variances(label, m, L, length(times), d, free, bare)
    early <- EARLY[1]:EARLY[2]
    centre <- rowMeans(sapply(early, unit_vector))
    L <- rows_of(-PRE:POST, function(t) unit_vector(t) - centre)
    colnames(L) <- D(times)
    label$base <- "early"
    variances(label, m, L, length(times), d, free, bare)

    # outcomes before the change held equal, with coefficients of their own by event time
    after <- droplevels(d[d$k >= 0, ])
    lags <- paste0("L", rep(1:LAGS, each = POST + 1), "_", 0:POST)
    for (j in 1:LAGS) for (t in 0:POST)
      after[[paste0("L", j, "_", t)]] <- after[[paste0("lag", j)]] * (after$k == t)
    m <- lm(reformulate(c(D(0:POST), lags, "sy"), "y"), after, weights = weight)
    L <- rows_of(0:POST, function(t) as.numeric(0:POST == t))
    colnames(L) <- D(0:POST)
    label$base <- "lag-adjusted"
    k <- POST + 1 + length(lags)
    variances(label, m, L, k, after, nlevels(after$sy), bare_vcov(m, after))
  }
}

store <- function(parts, name) {
  table <- do.call(rbind, parts)
  numbers <- sapply(table, is.double)
  table[numbers] <- lapply(table[numbers], function(v) sprintf("%.15g", v))
  write.csv(table, file.path(folder[2], name), row.names = FALSE, quote = FALSE)
}
store(estimates, "event_study_expected.csv")
store(joints, "event_study_joint_expected.csv")
store(supports, "event_study_support_expected.csv")
