# Records what R's BradleyTerry2 gives for ties and order effect at once, on both topics of UKPConvArg1: its generalised
# Davidson term without the two generalisations is Davidson's model with a home advantage, fitted by gnm.
# Run in this folder: Rscript record_ties_and_order.R (Debian: r-cran-bradleyterry2, r-cran-gnm)
suppressMessages({library(BradleyTerry2); library(gnm)})
set.seed(1)  # gnm starts at random
votes <- read.csv("../ukpconvarg1/votes.csv", stringsAsFactors = FALSE)

one_topic <- function(topic) {
    seen <- votes[votes$topic == topic, ]
    items <- sort(unique(c(seen$left, seen$right)))
    pair <- paste(seen$left, seen$right)
    cells <- expand.grid(pair = sort(unique(pair)), vote = c("left", "tie", "right"), stringsAsFactors = FALSE)
    counted <- table(paste(pair, seen$vote))
    cells$count <- as.vector(counted[paste(cells$pair, cells$vote)])
    cells$count[is.na(cells$count)] <- 0
    cells$left <- factor(sub(" .*", "", cells$pair), levels = items)
    cells$right <- factor(sub(".* ", "", cells$pair), levels = items)
    cells$pair <- factor(cells$pair)
    model <- gnm(count ~ GenDavidson(vote == "left", vote == "tie", vote == "right", left, right, home.adv = ~1,
                                     at.home1 = rep(TRUE, nrow(cells)), at.home2 = rep(FALSE, nrow(cells))) - 1,
                 eliminate = pair, family = poisson, data = cells, tolerance = 1e-10, iterMax = 500, trace = FALSE, verbose = FALSE)
    stopifnot(model$converged)
    names <- sub(".*left.*right", "", names(coef(model)))  # essays; what is left of the others says home.adv or tie.max
    names[grepl("home.adv", names(coef(model)))] <- "(order)"
    names[grepl("tie.max", names(coef(model)))] <- "(tie)"
    essays <- which(!names %in% c("(order)", "(tie)"))
    stopifnot(length(essays) == length(items))
    # Only differences between essays are estimated: each against their mean.
    contrasts <- diag(length(names)); contrasts[essays, essays] <- contrasts[essays, essays] - 1 / length(essays)
    value <- contrasts %*% as.vector(coef(model))
    error <- sqrt(diag(contrasts %*% matrix(vcov(model), length(names)) %*% t(contrasts)))
    names[essays] <- items
    chance <- ave(fitted(model), cells$pair, FUN = function(x) x / sum(x))
    list(table = data.frame(topic = topic, parameter = names, value = sprintf("%.12f", value), se = sprintf("%.12f", error)),
         likelihood = sum(cells$count * log(chance)))
}

topics <- lapply(c("T24", "T31"), one_topic)
write.csv(do.call(rbind, lapply(topics, `[[`, "table")), "ties_and_order.csv", row.names = FALSE, quote = FALSE)
cat(sprintf("R %s, BradleyTerry2 %s, gnm %s, %s; log-likelihoods: T24 %.9f, T31 %.9f\n", getRversion(), packageVersion("BradleyTerry2"),
    packageVersion("gnm"), Sys.Date(), topics[[1]]$likelihood, topics[[2]]$likelihood), file = "versions_ties_and_order.txt")
