# Errors of Cox models and curves by R survival: Rscript survival_variances.R <data> <out>
# Reads program_spells.csv from <data>; writes cox_two_way_expected.csv and curves_expected.csv.
suppressMessages(library(survival))
folder <- commandArgs(TRUE)
options(digits = 17)
d <- read.csv(file.path(folder[1], "program_spells.csv"))
d$e1 <- as.integer(d$cause == 1)
d$any <- as.integer(d$cause > 0)
tight <- coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 50)

store <- function(parts, name) {
  table <- do.call(rbind, parts)
  numbers <- sapply(table, is.numeric)
  table[numbers] <- lapply(table[numbers], function(v) sprintf("%.15g", v))
  write.csv(table, file.path(folder[2], name), row.names = FALSE, quote = FALSE)
}

# Cox, two ways: V(district) + V(year) - V(district and year), each from sums of dfbeta
meat <- function(dfbeta, cluster) crossprod(rowsum(dfbeta, cluster))
cox <- list()
for (ties in c("efron", "breslow")) for (weighted in c(0, 1)) for (strata in c(0, 1)) {
  f <- Surv(start, stop, e1) ~ recent_change + capacity + partner
  if (strata) f <- update(f, . ~ . + strata(state))
  w <- if (weighted) d$weight else rep(1, nrow(d))
  m <- coxph(f, d, weights = w, ties = ties, control = tight)
  r <- as.matrix(residuals(m, type = "dfbeta", weighted = TRUE))
  v <- meat(r, d$district) + meat(r, d$stop) - meat(r, paste(d$district, d$stop))
  cox[[length(cox) + 1]] <- data.frame(
    ties = ties, weighted = weighted, strata = strata, term = names(coef(m)),
    estimate = coef(m), std_error = sqrt(diag(v)), std_error_rows = sqrt(diag(crossprod(r))))
}
store(cox, "cox_two_way_expected.csv")

# Curves. R's robust errors, also those of a survfit object, are on the survival scale.
curves <- list()
keep <- function(curve, choice, group, weighted, times, estimate, std_error, low, high) {
  curves[[length(curves) + 1]] <<- data.frame(
    curve = curve, choice = choice, group = group, weighted = weighted, time = times,
    estimate = estimate, std_error = std_error, conf_low = low, conf_high = high)
}
survival_at <- function(x, w, times) {
  summary(survfit(Surv(start, stop, any) ~ 1, x, weights = w, robust = FALSE), times = times)$surv
}
for (group in c("all", "partner0", "partner1")) for (weighted in c(0, 1)) {
  x <- if (group == "all") d else d[d$partner == as.integer(substr(group, 8, 8)), ]
  w <- if (weighted) x$weight else rep(1, nrow(x))
  s <- summary(survfit(Surv(start, stop, any) ~ 1, x, weights = w, robust = FALSE,
                       conf.type = "log-log"))
  keep("kaplan_meier", "classical", group, weighted, s$time, s$surv, s$std.err, s$lower, s$upper)

  k <- summary(survfit(Surv(start, stop, any) ~ 1, x, weights = w, cluster = x$district,
                       robust = TRUE, id = x$program, conf.type = "log-log"))
  keep("kaplan_meier", "cluster", group, weighted, k$time, k$surv, k$std.err, k$lower, k$upper)

  # the same error with no formula: move the weight of one district at a time
  h <- 1e-4
  moves <- sapply(unique(x$district), function(g) {
    up <- w * ifelse(x$district == g, 1 + h, 1)
    down <- w * ifelse(x$district == g, 1 - h, 1)
    (survival_at(x, up, s$time) - survival_at(x, down, s$time)) / (2 * h)
  })
  keep("kaplan_meier", "cluster by perturbed weights", group, weighted, s$time, s$surv,
       sqrt(rowSums(moves^2)), NA, NA)

  # log(-log S) = log H where S = exp(-H): its interval is the log interval of H
  a <- summary(survfit(Surv(start, stop, any) ~ 1, x, weights = w, robust = FALSE, stype = 2,
                       ctype = 1, conf.type = "log-log"))
  keep("nelson_aalen", "classical", group, weighted, a$time, a$cumhaz, a$std.chaz,
       -log(a$upper), -log(a$lower))
  a <- summary(survfit(Surv(start, stop, any) ~ 1, x, weights = w, cluster = x$district,
                       robust = TRUE, id = x$program, stype = 1, ctype = 1))
  keep("nelson_aalen", "cluster", group, weighted, a$time, a$cumhaz, a$std.chaz, NA, NA)
}
store(curves, "curves_expected.csv")
