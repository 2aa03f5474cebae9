# Distributed lags and local projections by loops over unit-years, lm() with dummies and sandwich:
#   Rscript recurring_designs.R <data> <out>
# Reads event_study_rows.csv from <data>; writes recurring_designs_expected.csv to <out>.
# Leads and lags, clean changes and controls are found here, from who led each unit in each year.
# Errors: vcovCL(type = "HC0", cadjust = FALSE), no factor; a regression an event time.
suppressMessages(library(sandwich))
folder <- commandArgs(TRUE)
options(digits = 17, stringsAsFactors = FALSE)
rows <- read.csv(file.path(folder[1], "event_study_rows.csv"))
years <- min(rows$year):max(rows$year)
units <- sort(unique(rows$unit))
n_years <- length(years)
grid <- function(column) {
  m <- matrix(NA, length(units), n_years, dimnames = list(units, years))
  m[cbind(rows$unit, as.character(rows$year))] <- rows[[column]]
  m
}
leader <- grid("leader")
y <- grid("y")

# 1 or 0, NA where the year or the one before it was not seen
move <- matrix(NA_real_, length(units), n_years, dimnames = dimnames(leader))
for (t in 2:n_years) move[, t] <- as.numeric(leader[, t] != leader[, t - 1])
# another leader than the last one seen, whenever that was
differs <- function(u, t) {
  seen <- leader[u, seq_len(t - 1)]
  seen <- seen[!is.na(seen)]
  length(seen) > 0 && seen[length(seen)] != leader[u, t]
}

out <- list()
keep <- function(design, time, m, data, term) {
  v <- vcovCL(m, cluster = data$unit, type = "HC0", cadjust = FALSE)
  out[[length(out) + 1]] <<- data.frame(
    design, event_time = time, estimate = coef(m)[[term]], std_error = sqrt(v[term, term]),
    n_rows = nrow(data), n_clusters = length(unique(data$unit)))
}

lags <- function(pre, post) {
  found <- list()
  for (u in units) {
    last <- NA
    stretch <- 0
    for (t in seq_len(n_years)) {
      w <- if (post + pre > 1) (t - post + 1):(t + pre - 1) else integer(0)
      if (is.na(y[u, t]) || t - post < 1 || t + pre - 1 > n_years || anyNA(move[u, w])) next
      if (!is.na(last) && anyNA(move[u, (last - post + 1):(t + pre - 1)])) stretch <- stretch + 1
      x <- move[u, ]
      x[is.na(x)] <- 0
      b <- sapply(-pre:post, function(k) {
        if (k == -pre) return(sum(x[seq_along(x) >= t + pre]))
        if (k == post) return(sum(x[seq_along(x) <= t - post]))
        x[[t - k]]
      })
      found[[length(found) + 1]] <- data.frame(
        unit = u, stretch = paste(u, stretch), year = t, y = y[u, t], t(setNames(b, paste0("b", seq_along(b)))))
      last <- t
    }
  }
  data <- do.call(rbind, found)
  data <- data[ave(data$year, data$stretch, FUN = length) > 1, ]
  times <- -pre:post
  terms <- paste0("b", seq_along(times))[times != -1]
  m <- lm(reformulate(c(terms, "factor(stretch)", "factor(year)"), "y"), data)
  for (term in terms) {
    keep(sprintf("lags %d %d", pre, post), times[as.integer(substring(term, 2))], m, data, term)
  }
}
lags(3, 2)
lags(2, 4)

count <- function(u, w) {
  if (min(w) < 1 || max(w) > n_years || anyNA(leader[u, w])) return(NA)
  sum(sapply(w, function(s) s > 1 && differs(u, s)))
}
projections <- function(pre, post, clean, isolate, base, weighting) {
  for (h in setdiff(-pre:post, if (length(base) == 1) base)) {
    found <- list()
    for (u in units) for (t in 2:n_years) {
      at <- c(t + h, t + base)
      if (min(at) < 1 || max(at) > n_years || anyNA(y[u, at])) next
      through <- count(u, (t - clean):(t + max(h, 0)))
      before <- count(u, (t - clean):t)
      treated <- isTRUE(move[u, t] == 1) && isTRUE((if (isolate) through else before) == 1)
      if (!treated && !isTRUE(through == 0)) next
      found[[length(found) + 1]] <- data.frame(
        unit = u, year = t, d = as.numeric(treated), dy = y[u, t + h] - mean(y[u, t + base]))
    }
    data <- do.call(rbind, found)
    n1 <- ave(data$d, data$year, FUN = sum)
    n0 <- ave(1 - data$d, data$year, FUN = sum)
    data$w <- if (weighting == "events") ifelse(data$d == 1, 1, n1 / n0) else 1
    data <- data[n1 > 0 & n0 > 0, ]
    m <- lm(dy ~ d + factor(year), data, weights = w)
    name <- sprintf("projections %d %d %d %d %s %s", pre, post, clean, isolate,
                    paste(range(base), collapse = ":"), weighting)
    keep(name, h, m, data, "d")
  }
}
projections(3, 2, 3, TRUE, -1, "events")
projections(3, 2, 3, TRUE, -1, "ols")
projections(2, 2, 2, FALSE, -1, "events")
projections(3, 1, 1, TRUE, -3:-1, "events")
write.csv(do.call(rbind, out), file.path(folder[2], "recurring_designs_expected.csv"), row.names = FALSE)
