# CR2 and CR3 of linear models by lm() with dummies and clubSandwich: Rscript few_clusters.R <data> <out>
# Reads linear_rows.csv and three_effects.csv from <data>; writes few_clusters_expected.csv and
# few_clusters_joint_expected.csv to <out>. The working model has variances inverse to the weights:
# rows are multiplied by the roots of the weights, and the model of these is not weighted. (For a
# weighted lm clubSandwich takes another root of I - H, with the same mean and errors up to 0.5% off.)
suppressMessages(library(clubSandwich))
folder <- commandArgs(TRUE)
options(digits = 17)
rows <- read.csv(file.path(folder[1], "linear_rows.csv"))
chain <- read.csv(file.path(folder[1], "three_effects.csv"))
estimates <- list()
tests <- list()

keep <- function(model, kind, formula, data, cluster, shown) {
  X <- model.matrix(formula, data)
  m <- lm(y ~ 0 + X, list(y = data$y * sqrt(data$weight), X = X * sqrt(data$weight)))
  v <- vcovCR(m, cluster, kind)
  inner <- paste0("X", shown)
  found <- coef_test(m, v, test = "Satterthwaite", coefs = inner)
  joint <- Wald_test(m, constrain_zero(inner, coef(m)), v, test = "HTZ")
  estimates[[length(estimates) + 1]] <<- data.frame(
    model = model, choice = kind, term = shown, estimate = found$beta, std_error = found$SE,
    df = found$df_Satt, p_value = found$p_Satt)
  tests[[length(tests) + 1]] <<- data.frame(
    model = model, choice = kind, terms = paste(shown, collapse = " "), statistic = joint$Fstat,
    df_denom = joint$df_denom, p_value = joint$p_val)
}

for (weighted in c("", " weighted")) {
  rows$weight <- if (weighted == "") 1 else rows$w
  chain$weight <- if (weighted == "") 1 else chain$w
  shown <- c("x", "z", "kindtown", "kindurban")
  for (kind in c("CR2", "CR3")) {
    keep(paste0("plain", weighted), kind, ~ x + z + kind, rows, rows$region, shown)
    # years are not nested in regions: every one of their dummies counts
    keep(paste0("year", weighted), kind, ~ x + z + kind + factor(year), rows, rows$region, shown)
  }
  # clusters with an effect of their own: I - H has no inverse, which only CR2 can do there
  both <- ~ x + z + kind + factor(unit) + factor(year)
  keep(paste0("unit and year", weighted), "CR2", both, rows, rows$region, shown)
  keep(paste0("unit and year by year", weighted), "CR2", both, rows, rows$year, shown)
  both <- ~ x + z + factor(leader) + factor(school)
  keep(paste0("leader and school", weighted), "CR2", both, chain, chain$school, c("x", "z"))
}

store <- function(parts, name) {
  table <- do.call(rbind, parts)
  numbers <- sapply(table, is.numeric)
  table[numbers] <- lapply(table[numbers], function(v) sprintf("%.15g", v))
  write.csv(table, file.path(folder[2], name), row.names = FALSE, quote = FALSE)
}
store(estimates, "few_clusters_expected.csv")
store(tests, "few_clusters_joint_expected.csv")
